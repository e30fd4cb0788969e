"""The layout *nerf*: `transforms.json` of nerfstudio, instant-ngp and RWAVS."""
