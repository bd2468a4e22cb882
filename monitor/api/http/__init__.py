"""What all routes share: context, parameters, answers, errors."""
