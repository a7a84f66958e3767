"""The pose-aware modules on TimeSformer: action recognition and retrieval."""
