"""What neurons do near points, on domains and to each other."""
