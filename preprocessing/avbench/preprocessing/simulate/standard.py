"""The standard simulated data, `sim-v1`: which recordings it consists of.

| part        | split | rooms | seconds | what is special                                                       |
|-------------|-------|-------|---------|-----------------------------------------------------------------------|
| main        | train | 2,400 | 4       | 7-microphone glasses, static sources, RT60 0.15-0.6 s                 |
| main        | val   | 120   | 6       | the same                                                              |
| main        | test  | 300   | 6       | the same                                                              |
| rigs        | test  | 80    | 6       | 2, 4 and 8 microphones, on glasses, phones and heads with a shadow    |
| moving      | test  | 80    | 6       | sources that move at up to 1 m/s                                      |
| reverberant | test  | 80    | 6       | RT60 0.6-0.9 s                                                        |

Pictures are 320x240 at 10 frames a second, sound has 16 kHz. Every recording has a room of its own; no room, texture or
source signal of one split occurs in another.
"""

from __future__ import annotations

from dataclasses import dataclass

from avbench.preprocessing.simulate.scene.world import Configuration, RecordingSettings

STANDARD_SEED = 1


@dataclass(frozen=True)
class Part:
    """Recordings of one kind.

    Attributes:
        configuration: What is special about them.
        split: Their split.
        recordings: How many.
        duration_s: Length of each.
    """

    configuration: Configuration
    split: str
    recordings: int
    duration_s: float


STANDARD_PARTS = (
    Part(Configuration.MAIN, "test", 300, 6.0),
    Part(Configuration.RIGS, "test", 80, 6.0),
    Part(Configuration.MOVING, "test", 80, 6.0),
    Part(Configuration.REVERBERANT, "test", 80, 6.0),
    Part(Configuration.MAIN, "val", 120, 6.0),
    Part(Configuration.MAIN, "train", 2400, 4.0),
)


def standard_recordings(
    split: str | None = None, configuration: Configuration | None = None, limit: int | None = None
) -> list[RecordingSettings]:
    """Settings of all recordings of the standard, or of one split, one configuration, the first few of each part."""
    return [
        RecordingSettings(
            seed=STANDARD_SEED,
            split=part.split,
            index=index,
            configuration=part.configuration,
            duration_s=part.duration_s,
        )
        for part in STANDARD_PARTS
        if split in (None, part.split) and configuration in (None, part.configuration)
        for index in range(part.recordings if limit is None else min(limit, part.recordings))
    ]
