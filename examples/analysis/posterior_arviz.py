"""Prior and posterior with ArviZ: python posterior_arviz.py RUN FILTER VARIABLE [FIGURE.png].

The members at the last cycle are the draws. ArviZ 1 takes the tree as it is, earlier versions
take it as InferenceData."""

import sys

import arviz as az
import matplotlib.pyplot as plt
import plume

run, filter, variable, *figure = sys.argv[1:]
tree = plume.open_run(run).inference_data(filter=filter, replicate=1).isel(cycle=-1)
for group in ("prior", "posterior"):
    print(group)
    print(az.summary(tree[group].to_dataset(), var_names=[variable], kind="stats").to_string())

if az.__version__.startswith("0."):
    az.plot_dist_comparison(az.InferenceData.from_datatree(tree), var_names=[variable])
else:
    az.plot_prior_posterior(tree, var_names=[variable])
if figure:
    plt.savefig(figure[0])
