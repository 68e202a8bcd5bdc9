"""What the disk may do to the database: every call failed once, power cut at random, upgrades cut short."""
