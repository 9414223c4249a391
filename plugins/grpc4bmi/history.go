package grpc4bmi

import (
	"encoding/binary"
	"math"

	"github.com/plume-da/plume/sdk"
)

// A history is all that was done with a model since it was initialised: what a member carries,
// because the interface has no calls to save a model. A deterministic model with which the same is
// done again is in the same state.
//
// It consists of entries: a byte that is 1 if values were set, those values if it is, and the
// number of updates that followed.
type history string

// version begins every history that is carried.
const version = "\x01"

// then returns h with values that were set, none if values is nil, and updates that followed.
func (h history) then(values []float64, updates int) history {
	if last := len(h) - 8; values == nil && last >= 0 {
		made := binary.BigEndian.Uint64([]byte(h[last:]))
		return h[:last] + count(made+uint64(updates))
	}
	entry := make([]byte, 1, 1+8*len(values))
	for _, v := range values {
		entry[0] = 1
		entry = binary.BigEndian.AppendUint64(entry, math.Float64bits(v))
	}
	return h + history(entry) + count(uint64(updates))
}

func count(updates uint64) history { return history(binary.BigEndian.AppendUint64(nil, updates)) }

// each calls do for the entries of h, which set n values or none, until it returns an error.
func (h history) each(n int, do func(values []float64, updates int) error) error {
	for rest := []byte(h); len(rest) > 0; {
		var values []float64
		if rest[0] == 1 {
			values = make([]float64, n)
		}
		size := 1 + 8*len(values) + 8
		if len(rest) < size {
			return sdk.Errorf(sdk.KindContract, "carry", "ends within an entry: got %d bytes, want %d", len(rest), size).
				WithHint("it comes from a workflow with another state or other parameters; start a new run")
		}
		for k := range values {
			values[k] = math.Float64frombits(binary.BigEndian.Uint64(rest[1+8*k:]))
		}
		if err := do(values, int(binary.BigEndian.Uint64(rest[size-8:]))); err != nil {
			return err
		}
		rest = rest[size:]
	}
	return nil
}

// carried returns the history that a member carries; of one that carries nothing it is empty.
func carried(carry []byte) (history, error) {
	if len(carry) == 0 {
		return "", nil
	}
	if carry[0] != version[0] {
		return "", sdk.Errorf(sdk.KindContract, "carry", "got version %d, want %d", carry[0], version[0]).
			WithHint("it comes from another release; start a new run")
	}
	return history(carry[1:]), nil
}
