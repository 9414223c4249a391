package score

import (
	"slices"
	"strings"
	"testing"
)

// Every score has what its tables and its documentation are made of.
func TestCatalogueIsWhole(t *testing.T) {
	seen := map[string]bool{}
	for _, s := range Catalogue() {
		if seen[s.Name] {
			t.Errorf("%s is there twice", s.Name)
		}
		seen[s.Name] = true
		if s.About == "" || s.Unit == "" || s.Stage != Forecast && s.Stage != Analysis {
			t.Errorf("%s: about %q, unit %q, stage %q", s.Name, s.About, s.Unit, s.Stage)
		}
		tables := map[string]bool{"cycles": s.ofCase != nil, "held_out": s.ofPrediction != nil, "innovations": s.ofInnovation != nil, "": s.ofHistory != nil}
		for table, computed := range tables {
			if computed != (table == s.Table) {
				t.Errorf("%s: is of table %q, but has a function for table %q: %v", s.Name, s.Table, table, computed)
			}
		}
		if s.Mean == "" || (s.Table == "") != (s.Mean == WholeSeries) {
			t.Errorf("%s: table %q, but mean %v", s.Name, s.Table, s.Mean)
		}
		if strings.HasSuffix(s.Name, "NAME") != s.ByVariable {
			t.Errorf("%s: by variable %v", s.Name, s.ByVariable)
		}
		if s.Place.Truth > 0 && s.Needs&(HeldOut|Record) != 0 || s.Place.Record > 0 && s.Needs&Truth != 0 {
			t.Errorf("%s is shown of runs that cannot have it", s.Name)
		}
		for _, word := range strings.FieldsFunc(s.About, func(r rune) bool { return r == ' ' || r == ',' || r == ';' || r == '²' }) {
			if strings.Contains(word, "_") {
				if _, ok := Find(word); !ok {
					t.Errorf("%s: there is no score %s", s.Name, word)
				}
			}
		}
	}
}

func TestFind(t *testing.T) {
	for name, want := range map[string]string{"rmse": "rmse", "rmse_total": "rmse_total", "rmse_rho": "rmse_NAME", "spread_x": "spread_NAME",
		"spread_skill": "spread_skill", "rmse_": "", "temperature": "", "": ""} {
		got, ok := Find(name)
		i := slices.IndexFunc(catalogue, func(s Score) bool { return s.Name == want })
		if ok != (i >= 0) || ok && (got.Name != name || got.About != catalogue[i].About) {
			t.Errorf("%q: got %+v, want the row of %q", name, got, want)
		}
	}
}

// Names of scores by variable are those of no other score, and differ when the variables do.
func TestNamesByVariable(t *testing.T) {
	rmse, _ := Find("rmse_x")
	spread, _ := Find("spread_x")
	rmse.Name, spread.Name = "rmse_NAME", "spread_NAME"
	for _, c := range []struct {
		score          Score
		variable, want string
	}{{rmse, "rho", "rmse_rho"}, {rmse, "total", "rmse_total_"}, {rmse, "total_", "rmse_total__"}, {spread, "total", "spread_total"}, {spread, "skill", "spread_skill_"}} {
		if got := c.score.of(c.variable); got.Name != c.want || got.Variable != c.variable {
			t.Errorf("%s of %s: got %s of %s, want %s", c.score.Name, c.variable, got.Name, got.Variable, c.want)
		}
		if found, ok := Find(c.want); !ok || found.Variable != c.variable {
			t.Errorf("%s: found %s of %q, want that of %s", c.want, found.Name, found.Variable, c.variable)
		}
	}
}

// The scores that a person sees first, and what wins are counted of.
func TestShown(t *testing.T) {
	names := func(list []Score) string {
		var all []string
		for _, s := range list {
			all = append(all, s.Name)
		}
		return strings.Join(all, " ")
	}
	if got, want := names(Shown(true)), "rmse spread crps_fair weights_ess w2_reference rmse_NAME divergences"; got != want {
		t.Errorf("with a truth: got %s, want %s", got, want)
	}
	if got, want := names(Shown(false)), "held_out_rmse held_out_spread held_out_crps innovation_rms nis divergences"; got != want {
		t.Errorf("without: got %s, want %s", got, want)
	}
	losses := slices.DeleteFunc(Catalogue(), func(s Score) bool { return !s.Loss })
	if got, want := names(losses), "rmse crps_fair mae w2_reference crps energy_score_fair held_out_crps held_out_rmse innovation_rms rmse_NAME rmse_total divergences"; got != want {
		t.Errorf("less is better: got %s, want %s", got, want)
	}
	if !IsLoss("rmse_rho") || IsLoss("spread_skill") || IsLoss("bias") || IsLoss("no such score") {
		t.Error("less is better of rmse_rho, and of neither spread_skill, bias nor what is no score")
	}
	if StageOf("nis") != Forecast || StageOf("innovation_rms") != Forecast || StageOf("rmse_rho") != Analysis || StageOf("of an older run") != Analysis {
		t.Error("innovations are of the forecast, the rest of the analysis")
	}
}

func TestOrder(t *testing.T) {
	got := []string{"temperature", "rmse_total", "spread_x", "bias", "rmse_y", "rmse", "rmse_x", "humidity"}
	slices.SortFunc(got, Order)
	if want := "rmse bias rmse_x rmse_y spread_x rmse_total humidity temperature"; strings.Join(got, " ") != want {
		t.Errorf("got %v, want %s", got, want)
	}
}
