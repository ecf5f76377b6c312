"""Questions made from random networks, what answers them, and how the answer comes about."""
