"""What happens to a pair before a model sees it: corruptions of pictures and probes of sound."""
