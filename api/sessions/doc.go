// Package sessions has the routes of live sessions: who is connected, why, and closing
// their connections.
//
// It promises that an administrator of a project sees and closes only what the project has
// given: a session whose grant also holds for something else shows who is connected and
// from where, and nothing else. It cannot be closed by such a caller, and no filter tells
// more about it than what is shown.
package sessions
