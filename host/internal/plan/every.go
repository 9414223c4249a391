package plan

import (
	"slices"

	"github.com/plume-da/plume/host/internal/workflow"
	"github.com/plume-da/plume/sdk"
)

// every returns the number of cycles from one analysis of filter index, whose trial is t, to the
// next. It reports why the filter cannot assimilate the observations of these cycles at once.
func (m *maker) every(manifest *sdk.Manifest, f *workflow.Filter, t *Trial, index int) int {
	refuse := func(why, label, help string) {
		m.add(codeEvery, []any{"filter", index, "every"}, "%s cannot assimilate the observations of %d cycles at once: %s", f.Plugin, f.Every, why).
			WithLabel("%s", label).WithHelp("%s", help)
	}
	switch {
	case t.Window != nil:
		refuse("it has a window, which runs the model again in every cycle", "not with window", "remove every, or window")
	case slices.Contains(t.Filter.Needs(), sdk.Gradient):
		refuse("it needs gradients, which are those of the states at the time of the observation", "must be 1", "remove every")
	default:
		if _, err := t.Resize(m.ctx, t.Size, Extent{Cycles: f.Every}); err != nil {
			m.refused(manifest, err, "filter", index)
		}
	}
	return f.Every
}
