//! What an append adds, and what it leaves alone.
