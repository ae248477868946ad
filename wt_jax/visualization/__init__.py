"""Pictures for people: plots, and what is drawn into frames."""
