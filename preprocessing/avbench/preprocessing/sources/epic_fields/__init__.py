"""The layout *epic_fields*: poses of EPIC Fields beside the videos of EPIC-KITCHENS."""
