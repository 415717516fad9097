package automate

import (
	"io"

	"google.golang.org/grpc/grpclog"
)

// DiscardLog keeps gRPC from writing to stderr: lines that are not those of usher's log, as
// many as whoever is at the other end of a connection causes, and with what it has sent if
// GRPC_GO_LOG_SEVERITY_LEVEL is set. A program calls it first of all. What fails is in the
// error of the call and in Status.
func DiscardLog() { grpclog.SetLoggerV2(grpclog.NewLoggerV2(io.Discard, io.Discard, io.Discard)) }
