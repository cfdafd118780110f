"""A circuit that somebody might bring to be trained, with everything in it that makes a gradient difficult."""

OWN_CIRCUIT = b"""OPENQASM 3.0;
include "stdgates.inc";
input float[64] x0;
input float[64] x1;
input float[64] w0;
input float[64] w1;
input float[64] w2;
qubit[3] q;
h q[0];
rx(x0) q[0];
ry(2 * x1 + w0) q[1];
crz(w1) q[0], q[1];
cp(w1 / 2 - w2) q[1], q[2];
cu(w0, 0.3, x0, w2) q[2], q[0];
u3(w2, w0, x1) q[1];
ccx q[0], q[1], q[2];
rx(0.123) q[2];
rx(w1) q[0];
rx(w1) q[1];
swap q[0], q[2];
sx q[1];
ctrl @ ry(w2) q[1], q[0];
"""
