// Package automatepb has the calls of Chef Automate's services for authentication and
// authorization that usher makes, generated from protocol buffers.
package automatepb

//go:generate go -C ../../../scripts/protogen run . ../../tokens/automate/automatepb authn.proto authz.proto
