"""Linear mixed models: fitted by profiled deviance, with the inference that benchmarks need."""

from cupel.stats.mixed.contrasts import Contrast as Contrast
from cupel.stats.mixed.contrasts import Contrasts as Contrasts
from cupel.stats.mixed.contrasts import contrasts as contrasts
from cupel.stats.mixed.kenward_roger import kenward_roger as kenward_roger
from cupel.stats.mixed.likelihood_ratio_test import LikelihoodRatioTest as LikelihoodRatioTest
from cupel.stats.mixed.likelihood_ratio_test import likelihood_ratio_test as likelihood_ratio_test
from cupel.stats.mixed.marginal_means import Grid as Grid
from cupel.stats.mixed.marginal_means import MarginalMeans as MarginalMeans
from cupel.stats.mixed.marginal_means import marginal_means as marginal_means
from cupel.stats.mixed.mixed_model import mixed_model as mixed_model
from cupel.stats.mixed.model import MixedModel as MixedModel
from cupel.stats.mixed.parametric_bootstrap import parametric_bootstrap as parametric_bootstrap
from cupel.stats.mixed.r_squared import r_squared as r_squared
from cupel.stats.mixed.satterthwaite import satterthwaite as satterthwaite
