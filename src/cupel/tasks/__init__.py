"""What entries share: data, models, worlds to act in, checks of learning."""
