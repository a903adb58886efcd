"""DuPL: masks from image tags, by two students that teach each other (Wu et al., CVPR 2024)."""
