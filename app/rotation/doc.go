// Package rotation replaces keys while clients connect. A rotation has four steps:
// add, announce, switch, retire. Each completed step is recorded in keyring.yaml, so
// that an interrupted rotation can be resumed or rolled back.
//
// It promises that the requests of every server can be answered throughout: a key is
// announced only when every usher has loaded it, used only when every server accepts
// it, and retired only when nothing depends on it. The exception is Retire with now,
// for a compromised key. It never restarts or reconfigures a server.
package rotation
