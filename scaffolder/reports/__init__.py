"""Put what a command came to into words, and into its exit code."""
