"""The pipeline as Dagster sees it: thin assets, checks, jobs, sensors and schedules."""

import warnings

import dagster as dg

# Backfill policies and partitioned checks are marked beta and preview. What we rely on of them is tested; a warning per
# asset in every process helps nobody.
warnings.filterwarnings("ignore", category=dg.BetaWarning)
warnings.filterwarnings("ignore", category=dg.PreviewWarning)
