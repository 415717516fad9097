// Package session has the commands over live sessions: usher session list, show and kick.
//
// It promises that a kick names what it closes, and that it closes nothing which nobody has
// confirmed, unless --yes says so.
package session
