package workflow

import (
	"bytes"
	"fmt"

	"github.com/BurntSushi/toml"
)

// Resolved returns w as a workflow file: every default filled in, profile and
// --set applied, arithmetic evaluated. Loading it gives w again.
func (w *Workflow) Resolved() ([]byte, error) {
	b := bytes.NewBufferString("# The workflow as it was run: every default filled in.\n\n")
	if err := encode(b, w); err != nil {
		return nil, fmt.Errorf("resolved workflow: %w", err)
	}
	if len(w.Observations) == 1 && w.Observations[0].Label == "" {
		return bytes.Replace(b.Bytes(), []byte("\n[[observations]]\n"), []byte("\n[observations]\n"), 1), nil
	}
	return b.Bytes(), nil
}

func encode(b *bytes.Buffer, v any) error {
	e := toml.NewEncoder(b)
	e.Indent = ""
	return e.Encode(v)
}

// MarshalTOML writes one value as a number and several as a list.
func (n Numbers) MarshalTOML() ([]byte, error) {
	if len(n) == 1 {
		return inline(n[0])
	}
	return inline([]float64(n))
}

// MarshalTOML writes m as a number, or as a date.
func (m Moment) MarshalTOML() ([]byte, error) {
	if m.Date.IsZero() {
		return inline(m.Model)
	}
	return inline(m.Date)
}

// MarshalTOML writes e as a number, or as a duration.
func (e Extent) MarshalTOML() ([]byte, error) {
	if e.Wall == 0 {
		return inline(e.Model)
	}
	return inline(e.Wall)
}

// MarshalTOML writes s as a list of numbers, or as a table on one line.
func (s Start) MarshalTOML() ([]byte, error) {
	if s.Dist == "" {
		return inline(s.Mean)
	}
	mean, err := Numbers(s.Mean).MarshalTOML()
	if err != nil {
		return nil, err
	}
	sd, err := Numbers(s.SD).MarshalTOML()
	if err != nil {
		return nil, err
	}
	if s.Around != "" {
		return fmt.Appendf(nil, "{ dist = %q, around = %q, sd = %s }", s.Dist, s.Around, sd), nil
	}
	return fmt.Appendf(nil, "{ dist = %q, mean = %s, sd = %s }", s.Dist, mean, sd), nil
}

// inline returns v as it stands after a key.
func inline(v any) ([]byte, error) {
	var b bytes.Buffer
	if err := encode(&b, map[string]any{"v": v}); err != nil {
		return nil, err
	}
	return bytes.TrimSpace(bytes.TrimPrefix(b.Bytes(), []byte("v = "))), nil
}
