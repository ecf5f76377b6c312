"""What goes out: each report becomes a document, and each format renders any document."""
