"""Audio that belongs to no element: samples, files, rates, and what was played when."""
