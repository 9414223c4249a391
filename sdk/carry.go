package sdk

import (
	"encoding/binary"
	"math"
)

// EncodeCarry returns values in a form that an [Analysis] can carry to the next cycle: a
// byte with the version of the filter that gives them their meaning, and the values as
// float64, big-endian.
func EncodeCarry(version byte, values ...float64) []byte {
	carry := append(make([]byte, 0, 1+8*len(values)), version)
	for _, v := range values {
		carry = binary.BigEndian.AppendUint64(carry, math.Float64bits(v))
	}
	return carry
}

// DecodeCarry returns the values of a carry that is not empty. It returns an error of
// KindContract if the carry was not made by [EncodeCarry] with the same version and number
// of values, or if a value is not finite.
func DecodeCarry(carry []byte, version byte, count int) ([]float64, error) {
	if size := 1 + 8*count; len(carry) != size || carry[0] != version {
		return nil, Errorf(KindContract, "carry", "got %d bytes of version %d, want %d of version %d", len(carry), carry[0], size, version).
			WithHint("it comes from another filter or another release; start a new run")
	}
	values := make([]float64, count)
	for k := range values {
		values[k] = math.Float64frombits(binary.BigEndian.Uint64(carry[1+8*k:]))
		if math.IsNaN(values[k]) || math.IsInf(values[k], 0) {
			return nil, Errorf(KindContract, "carry", "value %d is %v, want a finite number", k, values[k])
		}
	}
	return values, nil
}
