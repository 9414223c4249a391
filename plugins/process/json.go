package process

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"

	"github.com/plume-da/plume/sdk"
	"gonum.org/v1/gonum/mat"
)

// jsonCodec writes the values of a task as one JSON object and reads states from the same
// places; it ignores other content of a result.
type jsonCodec struct{}

func (jsonCodec) encode(w io.Writer, t *task) error { return json.NewEncoder(w).Encode(t.values()) }

// jsonMember is one member in a result.
type jsonMember struct {
	Member *int                       `json:"member"` // checked if it is given
	State  map[string]json.RawMessage `json:"state"`
}

func (jsonCodec) decode(r io.Reader, t *task, into *mat.Dense) error {
	var result struct {
		jsonMember
		Members []jsonMember `json:"members"`
	}
	in := json.NewDecoder(&bounded{Reader: r, most: boundOf(mostText, into)})
	if err := in.Decode(&result); err != nil {
		return err
	}
	if _, err := in.Token(); err != io.EOF {
		return fmt.Errorf("continues after its object")
	}
	members := result.Members
	if !t.batch {
		members = []jsonMember{result.jsonMember}
	}
	if len(members) != len(t.seeds) {
		return fmt.Errorf("members: got %d, want %d", len(members), len(t.seeds))
	}
	for i, m := range members {
		if m.Member != nil && *m.Member != t.members[i] {
			return fmt.Errorf("got member %d, want member %d", *m.Member, t.members[i])
		}
		if err := decodeState(m.State, t.layout, into.RawRowView(i)); err != nil {
			return err
		}
	}
	return nil
}

func decodeState(state map[string]json.RawMessage, l *sdk.Layout, row []float64) error {
	if state == nil {
		return errors.New(`has no "state" with the variables`)
	}
	for _, name := range slices.Sorted(maps.Keys(state)) { // the error is a result of the run
		if _, ok := l.Offset(name); !ok {
			return fmt.Errorf("state: %s is not a variable", name)
		}
	}
	for _, v := range l.Variables {
		text, ok := state[v.Name]
		if !ok {
			return fmt.Errorf("state: %s is missing", v.Name)
		}
		rest, err := flatten(row[:0:v.Size()], text, v.Shape)
		if err != nil {
			return fmt.Errorf("state: %s: %w", v.Name, err)
		}
		row = row[len(rest):]
	}
	return nil
}

// flatten appends the numbers of nested lists of a shape to dst.
func flatten(dst []float64, text json.RawMessage, shape []int) ([]float64, error) {
	if len(shape) == 0 {
		var v *float64
		if err := json.Unmarshal(text, &v); err != nil || v == nil {
			return nil, fmt.Errorf("got %s, want a number", brief(string(bytes.TrimSpace(text))))
		}
		return append(dst, *v), nil
	}
	var items []json.RawMessage
	if err := json.Unmarshal(text, &items); err != nil || len(items) != shape[0] {
		return nil, fmt.Errorf("got %s, want a list of %d", brief(string(bytes.TrimSpace(text))), shape[0])
	}
	for _, item := range items {
		var err error
		if dst, err = flatten(dst, item, shape[1:]); err != nil {
			return nil, err
		}
	}
	return dst, nil
}
