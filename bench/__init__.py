"""Measures: reads scenarios, drives strategies, keeps records, analyses them."""
