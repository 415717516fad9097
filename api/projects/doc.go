// Package projects holds the routes of the management API about projects, their topics
// and subscriptions, and the ACLs of those. It also decides which NATS account a project
// gets.
//
// It promises that no project enters the callout account, the system account, or an
// account that is being closed; and that an account of a project is closed only while no
// other project uses it. It does not create accounts itself: Accounts does.
package projects
