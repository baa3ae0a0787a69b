"""How a run goes, told to metrics systems while it goes on."""
