"""The loop: propose, measure, judge, record. Knows the four rooms by their doors, and no pytest."""
