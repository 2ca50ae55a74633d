"""The two networks: HRNet for keypoints, SSDLite for hand boxes."""
