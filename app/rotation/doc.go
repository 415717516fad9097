// Package rotation replaces keys while clients connect: add, announce, switch,
// retire, each step written to keyring.yaml when it is done, so that a rotation
// that was interrupted can be resumed or rolled back.
//
// It promises that at every moment each server's requests can be answered: a key
// is announced only when every usher has it, used only when every server takes it,
// and taken away only when nothing depends on it, unless that is demanded (a key
// that others have got hold of).
package rotation
