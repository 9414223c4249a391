package rpc

import (
	"context"
	"errors"
	"fmt"

	"github.com/plume-da/plume/sdk"
	pb "github.com/plume-da/plume/sdk/proto/plume/v1"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// codeOf maps kinds of errors to the gRPC codes that mean the same.
var codeOf = map[sdk.Kind]codes.Code{
	sdk.KindConfig:    codes.InvalidArgument,
	sdk.KindShape:     codes.InvalidArgument,
	sdk.KindDiverged:  codes.FailedPrecondition,
	sdk.KindExternal:  codes.Internal,
	sdk.KindResource:  codes.ResourceExhausted,
	sdk.KindTransient: codes.Unavailable,
	sdk.KindBug:       codes.Internal,
	sdk.KindContract:  codes.Internal,
	sdk.KindDeadline:  codes.DeadlineExceeded,
	sdk.KindCanceled:  codes.Canceled,
}

// toStatus turns any error into a status with the error itself as a detail.
func toStatus(err error) error {
	if err == nil {
		return nil
	}
	var e *sdk.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, context.DeadlineExceeded):
		e = sdk.Errorf(sdk.KindDeadline, "", "%v", err)
	case errors.Is(err, context.Canceled):
		e = sdk.Errorf(sdk.KindCanceled, "", "%v", err)
	default:
		e = sdk.Errorf(sdk.KindBug, "", "%v", err)
	}
	code, ok := codeOf[e.Kind]
	if !ok {
		code = codes.Internal
	}
	detail := &pb.Error{
		Kind: string(e.Kind), Where: e.Where, What: e.What, Hint: e.Hint,
		Stderr: e.Stderr, Trace: e.Trace,
	}
	if outer := err.Error(); outer != e.Error() { // keep what e is wrapped in
		detail.Where, detail.What, detail.Hint = "", outer, ""
	}
	if e.ExitCode != nil {
		exit := int64(*e.ExitCode)
		detail.ExitCode = &exit
	}
	s, withErr := status.New(code, err.Error()).WithDetails(detail)
	if withErr != nil {
		return status.Error(code, err.Error())
	}
	return s.Err()
}

// fromStatus turns what a call returned back into the error the plugin meant.
// A status without detail comes from gRPC itself.
func fromStatus(err error) error {
	var e *sdk.Error
	if err == nil || errors.As(err, &e) {
		return err
	}
	s := status.Convert(err)
	for _, d := range s.Details() {
		if d, ok := d.(*pb.Error); ok {
			e := &sdk.Error{Kind: sdk.Kind(d.Kind), Where: d.Where, What: d.What, Hint: d.Hint, Stderr: d.Stderr, Trace: d.Trace}
			if d.ExitCode != nil {
				exit := int(*d.ExitCode)
				e.ExitCode = &exit
			}
			return e
		}
	}
	kind, what := sdk.KindBug, s.Message()
	switch s.Code() {
	case codes.DeadlineExceeded:
		kind, what = sdk.KindDeadline, "did not answer in time"
	case codes.Canceled:
		kind, what = sdk.KindCanceled, fmt.Sprintf("the call was canceled: %s", s.Message())
	case codes.Unavailable:
		kind, what = sdk.KindCrash, fmt.Sprintf("the connection is gone: %s", s.Message())
	case codes.ResourceExhausted:
		kind, what = sdk.KindContract, fmt.Sprintf("sent more than fits in a message: %s", s.Message())
	case codes.Unimplemented:
		kind, what = sdk.KindContract, fmt.Sprintf("does not serve its role: %s", s.Message())
	}
	return &sdk.Error{Kind: kind, What: what, Cause: err}
}

func contract(where, format string, args ...any) error {
	return sdk.Errorf(sdk.KindContract, where, format, args...)
}
