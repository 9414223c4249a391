package rpc

import (
	"encoding/binary"
	"slices"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
)

// carryOut returns the channel of what members carry; none if no member carries anything.
func carryOut(carry [][]byte) []*channel {
	for _, b := range carry {
		if len(b) > 0 {
			return []*channel{{id: pb.Channel_CHANNEL_CARRY, carry: carry}}
		}
	}
	return nil
}

// carryIn returns the channel in which a model that carries may answer.
func (m *model) carryIn() []*channel {
	if !m.client.carries {
		return nil
	}
	return []*channel{{id: pb.Channel_CHANNEL_CARRY}}
}

// carrySegments returns the payload of CHANNEL_CARRY for members that carry something.
func carrySegments(carry [][]byte) [][]byte {
	head := binary.LittleEndian.AppendUint64(make([]byte, 0, 8*(1+len(carry))), uint64(len(carry)))
	for _, b := range carry {
		head = binary.LittleEndian.AppendUint64(head, uint64(len(b)))
	}
	return append([][]byte{head}, carry...)
}

// carryOf returns what is in a payload of CHANNEL_CARRY, with which it shares memory; nil for
// an empty payload. member gives the number of the member in a row.
func carryOf(payload []byte, members int, member func(row int) int) ([][]byte, error) {
	if len(payload) == 0 {
		return nil, nil
	}
	head := 8 * (1 + members)
	if len(payload) < head || binary.LittleEndian.Uint64(payload) != uint64(members) {
		return nil, contract("channel carry", "does not begin with the number %d of members and so many lengths", members)
	}
	carry, rest := make([][]byte, members), payload[head:]
	for i := range carry {
		length := binary.LittleEndian.Uint64(payload[8*(1+i):])
		if length > uint64(len(rest)) {
			return nil, contract("channel carry", "member %d: got %d bytes, want %d", member(i), len(rest), length)
		}
		carry[i], rest = rest[:length:length], rest[length:]
	}
	if len(rest) > 0 {
		return nil, contract("channel carry", "has %d bytes after those of the last member", len(rest))
	}
	return carry, nil
}

// withGaps returns what members carry, of which kept lacks those that failed.
func withGaps(kept [][]byte, failures []sdk.MemberFailure) [][]byte {
	if len(kept) == 0 || len(failures) == 0 {
		return kept
	}
	all := make([][]byte, len(kept)+len(failures))
	failed := failedRows(failures)
	for i := range all {
		if !failed[i] {
			all[i], kept = kept[0], kept[1:]
		}
	}
	return all
}

// setCarry makes carry, of which the members that failed are left out, what the answer of
// a model holds.
func (j *job) setCarry(carry [][]byte, failures []sdk.MemberFailure) error {
	rows, _ := j.matrixIn(pb.Channel_CHANNEL_ENSEMBLE).Dims()
	if carry != nil && len(carry) != rows {
		return contract("answer", "what is carried is of %d members, want %d", len(carry), rows)
	}
	var kept [][]byte
	failed := failedRows(failures)
	for i, b := range carry {
		if !failed[i] {
			kept = append(kept, b)
		}
	}
	answer, before := carryOut(kept), len(j.out)
	j.out = slices.DeleteFunc(j.out, func(c *channel) bool { return c.id == pb.Channel_CHANNEL_CARRY })
	if answer != nil && len(j.out) == before {
		return contract("answer", "members carry something, but the manifest does not say carries = true")
	}
	j.out = append(answer, j.out...)
	return nil
}

// failedRows returns which rows of a request are listed as failed.
func failedRows(failures []sdk.MemberFailure) map[int]bool {
	failed := map[int]bool{}
	for _, f := range failures {
		failed[f.Member] = true
	}
	return failed
}

// carryIn returns what the members of a request carry; nil: nothing.
func (j *job) carryIn() [][]byte {
	for _, c := range j.in {
		if c.id == pb.Channel_CHANNEL_CARRY {
			return c.carry
		}
	}
	return nil
}
