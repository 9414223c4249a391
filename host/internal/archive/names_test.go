package archive

import (
	"slices"
	"testing"

	"github.com/plume-da/plume/host/internal/plan"
	"github.com/plume-da/plume/sdk/wire/table"
)

// The names that a plan refuses for variables are those of the columns next to theirs.
func TestNamesOfColumns(t *testing.T) {
	for _, tt := range []struct {
		of      plan.Table
		columns []table.Column
	}{
		{plan.TruthTable, clockColumns}, {plan.EnsembleTable, membersColumns}, {plan.SmoothedTable, smoothedColumns},
		{plan.ObservationsTable, observationsColumns}, {plan.InnovationsTable, innovationsColumns},
	} {
		var names []string
		for _, c := range tt.columns {
			names = append(names, c.Name)
		}
		if !slices.Equal(names, tt.of.Columns) {
			t.Errorf("%s has the columns %v, but %v are refused", tt.of.Name, names, tt.of.Columns)
		}
	}
}
