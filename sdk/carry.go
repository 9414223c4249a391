package sdk

import (
	"encoding/binary"
	"math"
)

// EncodeCarry returns values as an [Analysis] may carry them to the next cycle: a byte
// that says in which version of the filter they mean what they do, and the values as
// float64, big-endian.
func EncodeCarry(version byte, values ...float64) []byte {
	carry := append(make([]byte, 0, 1+8*len(values)), version)
	for _, v := range values {
		carry = binary.BigEndian.AppendUint64(carry, math.Float64bits(v))
	}
	return carry
}

// DecodeCarry returns the values of a carry that is not empty. It refuses one that
// [EncodeCarry] has not made of that version and number of values, and values that are not
// finite, with KindContract.
func DecodeCarry(carry []byte, version byte, count int) ([]float64, error) {
	if size := 1 + 8*count; len(carry) != size || carry[0] != version {
		return nil, Errorf(KindContract, "carry", "got %d bytes of version %d, want %d of version %d", len(carry), carry[0], size, version).
			WithHint("it comes from another filter or another release; start the run anew")
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
