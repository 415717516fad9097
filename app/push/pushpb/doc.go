// Package pushpb has the calls of the push service of the Argo Messaging Service, generated
// from protocol buffers.
package pushpb

//go:generate go -C ../../../scripts/protogen run . ../../app/push/pushpb push.proto
