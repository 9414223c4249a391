package rpc

import (
	"math"
	"strings"
	"testing"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
)

// What a filter returns in addition to its ensemble is checked: wrong weights would
// be used in every score.
func TestAnalysesAreChecked(t *testing.T) {
	half := math.Log(0.5)
	for name, c := range map[string]struct {
		end  *pb.CallEnd
		want string // empty: no fault
	}{
		"nothing":               {&pb.CallEnd{}, ""},
		"weights":               {&pb.CallEnd{LogWeights: []float64{half, half}, Ancestors: []int64{1, 1}}, ""},
		"a weight of 0":         {&pb.CallEnd{LogWeights: []float64{0, math.Inf(-1)}}, ""},
		"weights, not logs":     {&pb.CallEnd{LogWeights: []float64{0.5, 0.5}}, "the weights sum to 3.29"},
		"not normalised":        {&pb.CallEnd{LogWeights: []float64{0, 0}}, "the weights sum to 2, want 1; normalise the log-weights"},
		"no weight":             {&pb.CallEnd{LogWeights: []float64{math.Inf(-1), math.Inf(-1)}}, "the weights sum to 0"},
		"NaN":                   {&pb.CallEnd{LogWeights: []float64{0, math.NaN()}}, "the weights sum to NaN"},
		"infinite":              {&pb.CallEnd{LogWeights: []float64{math.Inf(1), 0}}, "the weights sum to +Inf"},
		"weights of one member": {&pb.CallEnd{LogWeights: []float64{0}}, "1 log-weights for 2 members"},
		"ancestors of one":      {&pb.CallEnd{Ancestors: []int64{0}}, "1 ancestors for 2 members"},
		"both of one":           {&pb.CallEnd{LogWeights: []float64{0}, Ancestors: []int64{0}}, "1 log-weights for 2 members"},
		"no such ancestor":      {&pb.CallEnd{Ancestors: []int64{0, 2}}, "ancestor 2; want 0 to 1"},
	} {
		_, err := analysisOf(c.end, 2)
		if (err == nil) != (c.want == "") || err != nil && (sdk.KindOf(err) != sdk.KindContract || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: got %v, want %q", name, err, c.want)
		}
	}
}
