package rpc

import (
	"fmt"
	"slices"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"github.com/plume-da/plume/sdk/wire"
)

// featureSingle is the feature of models that take and give states in columns of float32. Of
// others the same values are rounded on this side, so that the feature saves bytes and changes
// none of the results.
const featureSingle = "float32.v1"

// numbersOf returns how the states of a model travel.
func (c *client) numbersOf(config sdk.ModelConfig) wire.Numbers {
	switch {
	case !config.Single:
		return wire.Double
	case c.single:
		return wire.Single
	}
	return wire.Rounded
}

// refusing returns what says of a channel of a call that a value is beyond the range of float32.
func refusing(h *pb.CallHeader) func(*channel) error {
	return func(c *channel) error {
		row, column, _ := wire.Beyond(c.matrix)
		return sdk.Errorf(sdk.KindDiverged, channelName(c.id), "member %d, %s is %v, beyond the range of float32, which ends at 3.4e38",
			callOf(h).Member(row), c.valueName(column), c.matrix.At(row, column)).WithHint(`write precision = "float64" in [model]`)
	}
}

// exceeding returns the members whose values, in an answer without gaps, are beyond the range
// of float32, but for those that have failed. Every way of sending them makes them infinite, so no
// reason says more.
func (c *channel) exceeding(failed map[int]bool) (failures []sdk.MemberFailure) {
	rows, _ := c.matrix.Dims()
	for i := range rows {
		if j := slices.IndexFunc(c.matrix.RawRowView(i), infinite); j >= 0 && !failed[i] {
			reason := fmt.Sprintf("%s is beyond the range of float32", c.valueName(j))
			failures = append(failures, sdk.MemberFailure{Member: i, Reason: reason, Kind: sdk.KindDiverged})
		}
	}
	return failures
}
