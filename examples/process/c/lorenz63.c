/* Lorenz-63 by Runge-Kutta steps of order 4:

       lorenz63 FROM TO STEP STATE RESULT

   STATE and RESULT are CSV files: the line x,y,z and a line of numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void tendency(double d[3], const double s[3]) {
    const double sigma = 10, rho = 28, beta = 8.0 / 3;
    d[0] = sigma * (s[1] - s[0]);
    d[1] = s[0] * (rho - s[2]) - s[1];
    d[2] = s[0] * s[1] - beta * s[2];
}

static void step(double h, double x[3]) {
    double k1[3], k2[3], k3[3], k4[3], y[3];
    tendency(k1, x);
    for (int i = 0; i < 3; i++) y[i] = x[i] + h / 2 * k1[i];
    tendency(k2, y);
    for (int i = 0; i < 3; i++) y[i] = x[i] + h / 2 * k2[i];
    tendency(k3, y);
    for (int i = 0; i < 3; i++) y[i] = x[i] + h * k3[i];
    tendency(k4, y);
    for (int i = 0; i < 3; i++) x[i] += h / 6 * (k1[i] + 2 * (k2[i] + k3[i]) + k4[i]);
}

int main(int argc, char **argv) {
    if (argc != 6) {
        fprintf(stderr, "usage: lorenz63 FROM TO STEP STATE RESULT\n");
        return 2;
    }
    double h = atof(argv[3]), x[3];
    long steps = lround((atof(argv[2]) - atof(argv[1])) / h);

    FILE *in = fopen(argv[4], "r");
    if (!in || fscanf(in, "x,y,z %lf,%lf,%lf", &x[0], &x[1], &x[2]) != 3) {
        fprintf(stderr, "%s holds no state\n", argv[4]);
        return 1;
    }
    for (long k = 0; k < steps; k++) step(h, x);

    FILE *out = fopen(argv[5], "w"); /* 17 digits give back the same number */
    if (!out || fprintf(out, "x,y,z\n%.17g,%.17g,%.17g\n", x[0], x[1], x[2]) < 0 || fclose(out) != 0) {
        fprintf(stderr, "cannot write %s\n", argv[5]);
        return 1;
    }
    return 0;
}
