package sdk

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// Runs are resumed from what earlier releases have stored: these bytes stay as they are.
func TestCarryBytes(t *testing.T) {
	values, golden := []float64{1.25, -0x1p-1074}, "\x07\x3f\xf4\x00\x00\x00\x00\x00\x00\x80\x00\x00\x00\x00\x00\x00\x01"
	if got := EncodeCarry(7, values...); string(got) != golden {
		t.Errorf("got %x, want %x", got, golden)
	}
	if got, err := DecodeCarry([]byte(golden), 7, 2); err != nil || !slices.Equal(got, values) {
		t.Errorf("got %v, %v, want %v", got, err, values)
	}
}

func TestDecodeCarryRefusals(t *testing.T) {
	whole := EncodeCarry(7, 1, 2)
	for name, tt := range map[string]struct {
		carry []byte
		want  string
	}{
		"short":    {whole[:16], "carry: got 16 bytes of version 7, want 17 of version 7"},
		"one byte": {whole[:1], "got 1 bytes"},
		"long":     {append(slices.Clone(whole), 0), "got 18 bytes"},
		"version":  {EncodeCarry(8, 1, 2), "of version 8, want 17 of version 7"},
		"NaN":      {EncodeCarry(7, 1, math.NaN()), "value 1 is NaN"},
		"infinite": {EncodeCarry(7, math.Inf(-1), 1), "value 0 is -Inf"},
	} {
		if got, err := DecodeCarry(tt.carry, 7, 2); got != nil || KindOf(err) != KindContract || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: got %v, %v, want %q", name, got, err, tt.want)
		}
	}
}
