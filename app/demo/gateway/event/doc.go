// Package event is what the events of the demo's supervisors look like: protocol buffers
// that are a part of those of Habitat.
package event

//go:generate go -C ../../../../scripts/protogen run . ../../app/demo/gateway/event event.proto
