"""Pure rules: facts in, conclusions out. No Django, no clock."""
