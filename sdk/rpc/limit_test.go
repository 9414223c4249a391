package rpc

import (
	"math"
	"testing"

	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"google.golang.org/protobuf/proto"
)

// The end of an answer has room for a weight and an ancestor of every member and a variance
// of every observation, in addition to what any message may have.
func TestAnswerBytes(t *testing.T) {
	const members, observed = 300_000, 100_000
	end := &pb.CallEnd{Members: members, ErrorVariance: make([]float64, observed)}
	for i := range members {
		end.LogWeights, end.Ancestors = append(end.LogWeights, -1), append(end.Ancestors, int64(i))
	}
	if size, room := proto.Size(end), answerBytes(members, observed)-messageBytes; size > room+64 {
		t.Errorf("%d bytes, but there is room for %d", size, room)
	}
	if got := answerBytes(0, 0); got != messageBytes {
		t.Errorf("got %d, want %d", got, messageBytes)
	}
	if got := answerBytes(math.MaxInt64, math.MaxInt); got != math.MaxInt32 {
		t.Errorf("got %d, want %d", got, math.MaxInt32)
	}
}
