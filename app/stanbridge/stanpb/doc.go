// Package stanpb has the messages of the NATS Streaming protocol that a client needs to
// publish. Field numbers and types are those of the public protocol of NATS Streaming 0.25.
package stanpb

//go:generate go -C ../../../scripts/protogen run . ../../app/stanbridge/stanpb stan.proto
