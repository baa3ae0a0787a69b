from hypothesis import settings

# A busy machine is no reason to fail: examples may take as long as they need.
settings.register_profile("patient", deadline=None)
settings.load_profile("patient")
