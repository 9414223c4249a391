package archive

import (
	"slices"
	"testing"

	"github.com/plume-da/plume/host/internal/names"
	"github.com/plume-da/plume/sdk/wire/table"
)

// The names that a plan refuses for variables are those of the columns next to theirs.
func TestNamesOfColumns(t *testing.T) {
	for _, tt := range []struct {
		of      names.Table
		columns []table.Column
	}{
		{names.Truth, clockColumns}, {names.Ensemble, membersColumns}, {names.Smoothed, smoothedColumns},
		{names.Observations, observationsColumns}, {names.Innovations, innovationsColumns},
	} {
		var columns []string
		for _, c := range tt.columns {
			columns = append(columns, c.Name)
		}
		if !slices.Equal(columns, tt.of.Columns) {
			t.Errorf("%s has the columns %v, but %v are refused", tt.of.Name, columns, tt.of.Columns)
		}
	}
}
