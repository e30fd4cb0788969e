"""The worst pairs of a report: their answers, pictures, motion and sound."""
