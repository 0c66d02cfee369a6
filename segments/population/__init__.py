"""The population: bounds that follow from all users, in force by instant, and how they are found."""
