/* The regional model in C by hand: the limit on this machine, beside which the package's engines are measured.
 *
 * Written from the equations (simulate/equations.py) for a scenario without levers, shocks and paths, as the default one is: every
 * policy is 0, and all investment that is wanted is made. Nothing else is left out: every stock moves. Each benchmark shows
 * the agreement with the engine. What a careful C programmer would do is done:
 *   - a loop over LANES runs at a time, which the compiler turns into vector instructions; their state stays in the first-level cache
 *     (64 lanes do for Euler; RK4 has three states, for which 32 are some 5 % faster on a cache of 32 kB);
 *   - what does not change in time is computed once a run; divisions by it become products;
 *   - powers are exp(a log x), a product of powers is one exponential, each logarithm is taken once;
 *   - exp and log are inlined polynomials (or, with -DLIBMVEC, the vector functions of the C library);
 *   - steps are folded into the equations: there is no array of derivatives;
 *   - what a year shows is a by-product of the first stage of its first step.
 * benchmarks/kernel.py compiles it, with -O3 -march=native -ffast-math, for the region's numbers of sectors and clusters.
 */
#include <math.h>
#include <stdint.h>
#include <string.h>

#ifndef LANES
#define LANES 32
#endif
#ifndef SECTORS
#define SECTORS 2
#endif
#ifndef CLUSTERS
#define CLUSTERS 5
#endif
#if defined(__clang__)
#define EACH_LANE _Pragma("clang loop vectorize(assume_safety)") for (int k = 0; k < LANES; k++)
#define EACH_SECTOR _Pragma("clang loop unroll(full)") for (int s = 0; s < SECTORS; s++)
#else
#define EACH_LANE _Pragma("GCC ivdep") for (int k = 0; k < LANES; k++)
#define EACH_SECTOR _Pragma("GCC unroll 8") for (int s = 0; s < SECTORS; s++)
#endif

/* ---------------------------------------------------------------- exp and log */

#if defined(LIBMVEC)
#define EXP exp
#define LOG log
#elif defined(WITHOUT_EXP_AND_LOG) /* what the rest costs; the numbers are then wrong */
#define EXP(x) (1 + (x))
#define LOG(x) ((x) - 1)
#else
#if defined(__AVX512DQ__)
typedef int64_t whole;
#else /* older instructions turn no vector of doubles into one of long integers */
typedef int32_t whole;
#endif

static inline double EXP(double x) /* 2^n e^r, |r| <= log(2)/2: Taylor to r^12, error below 2e-16 */
{
    x = x < -708 ? -708 : x > 709 ? 709 : x;
    const double n = __builtin_rint(x * 1.4426950408889634);
    const double r = x - n * 0.6931471805599453, r2 = r * r, r4 = r2 * r2;
    const double low = (1 + r) + r2 * (0.5 + r * (1. / 6));
    const double middle = (1. / 24 + r * (1. / 120)) + r2 * (1. / 720 + r * (1. / 5040));
    const double high = (1. / 40320 + r * (1. / 362880)) + r2 * (1. / 3628800 + r * (1. / 39916800)) + r4 * (1. / 479001600);
    const int64_t bits = ((int64_t)(whole)n + 1023) << 52;
    double scale;
    memcpy(&scale, &bits, sizeof scale);
    return (low + r4 * (middle + r4 * high)) * scale;
}

static inline double LOG(double x) /* x = 2^n m, sqrt(1/2) <= m < sqrt(2): 2 atanh((m-1)/(m+1)) to the 19th power; x > 0 */
{
    uint64_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint64_t power = (bits + 0x95f619980c433) >> 52; /* n + 1023: what is added are the bits of 1 less those of sqrt(1/2) */
    bits -= (power - 1023) << 52;
    double m;
    memcpy(&m, &bits, sizeof m);
    const double a = (m - 1) / (m + 1), z = a * a, z2 = z * z, z4 = z2 * z2;
    const double low = (2 + z * (2. / 3)) + z2 * (2. / 5 + z * (2. / 7));
    const double high = (2. / 9 + z * (2. / 11)) + z2 * (2. / 13 + z * (2. / 15)) + z4 * (2. / 17 + z * (2. / 19));
    return a * (low + z4 * high) + ((double)(whole)power - 1023) * 0.6931471805599453;
}
#endif

/* ---------------------------------------------------------------- parameters, constants, stocks */

#define SCALARS(X)                                                                                                                  \
    X(gdp_base) X(gross_industrial_output_base) X(labour_productivity_base) X(fixed_asset_investment_base) X(rd_intensity_base)      \
    X(high_tech_enterprises_base) X(market_entities_base) X(eaglet_enterprises_base) X(gazelle_enterprises_base)                     \
    X(listed_enterprises_base) X(firms_per_10k) X(certificate_step) X(negligible_firms) X(energy_intensity_base)                     \
    X(technology_base) X(trend_growth_base) X(capital_formation_share) X(productivity_growth) X(knowledge_elasticity)                \
    X(human_capital_growth) X(utilisation_base) X(recovery_time) X(construction_time) X(return_response)                             \
    X(natural_labour_growth) X(migration_response) X(migration_limit) X(outside_wage_growth) X(wage_response) X(hiring_time)         \
    X(rd_lag) X(knowledge_obsolescence_rate) X(rd_real_share) X(firm_rd_elasticity) X(certified_rd_share)                            \
    X(certified_growth_base) X(renewal_share) X(reapplication_share) X(recognition_rate) X(candidate_exit_rate)                      \
    X(certified_closure_rate) X(replenishment) X(entity_growth_base) X(deregistration_rate) X(entry_elasticity)                      \
    X(ladder_growth_base) X(ladder_exit_rate) X(listed_exit_rate) X(value_added_ratio_drift) X(energy_saving_rate)
#define BY_SECTOR(X) X(sector_share) X(industrial) X(capital_share) X(depreciation_rate)
#define BY_CLUSTER(X) X(cluster_position_base) X(cluster_premium) X(cluster_ceiling)

#define SCALAR(name) double name[LANES];
#define SECTOR(name) double name[SECTORS][LANES];
#define CLUSTER(name) double name[CLUSTERS][LANES];

struct parameters { SCALARS(SCALAR) BY_SECTOR(SECTOR) BY_CLUSTER(CLUSTER) };

#define NAME(name) #name " "
/* The rows of `rows` in project(), in order: scalars, then each of the others' elements in turn. */
const char *const scalar_names = SCALARS(NAME), *const sector_names = BY_SECTOR(NAME), *const cluster_names = BY_CLUSTER(NAME);
const int lanes = LANES;

struct constants { /* of each run: what the stages need */
    double human_capital_growth[LANES], inverse_utilisation_base[LANES], log_knowledge_base[LANES], knowledge_elasticity[LANES];
    double value_added_base[SECTORS][LANES], log_capital_base[SECTORS][LANES], log_labour_base[SECTORS][LANES];
    double capital_share[SECTORS][LANES], depreciation_rate[SECTORS][LANES], industrial[SECTORS][LANES];
    double formed_share[LANES], labour_base[SECTORS][LANES], return_response[LANES], completion_rate[LANES];
    double productivity_growth[LANES], recovery_rate[LANES], inverse_productivity_base[LANES], wage_response[LANES], hiring_rate[LANES];
    double natural_growth[LANES], migration_limit[LANES], migration_steepness[LANES], outside_step[LANES];
    double rd_certified[LANES], rd_rest[LANES], firm_rd_elasticity[LANES], inverse_gdp_base[LANES], inverse_firms_base[LANES];
    double rd_real_share[LANES], maturing_rate[LANES], obsolescence_rate[LANES];
    double registrations_base[LANES], entry_elasticity[LANES], deregistration_rate[LANES], startups[LANES], recognition_rate[LANES];
    double candidate_exit_rate[LANES], ageing_rate[LANES], renewal[LANES], reapplication[LANES], closure_rate[LANES];
    double eaglet_entries[LANES], gazelle_rate[LANES], gazelle_pass[LANES], listing_rate[LANES], listing_pass[LANES];
    double ladder_exit_rate[LANES], listed_exit_rate[LANES], ratio_drift[LANES], energy_saving_rate[LANES];
    double gain[CLUSTERS][LANES], saturation[CLUSTERS][LANES];
};

struct state {
    double capital[SECTORS][LANES], pipeline[SECTORS][LANES], labour[SECTORS][LANES];
    double labour_supply[LANES], utilisation[LANES], technology[LANES], rd_in_progress[LANES], knowledge[LANES], market_entities[LANES];
    double candidates[LANES], certified_1[LANES], certified_2[LANES], certified_3[LANES], eaglets[LANES], gazelles[LANES], listed[LANES];
    double cluster_position[CLUSTERS][LANES], value_added_ratio[LANES], energy_intensity[LANES];
};

struct shown { /* at the state that a stage begins with */
    double gdp[LANES], industrial[LANES], rd[LANES], firms[LANES];
};

/* What holds throughout a run, and its stocks in the base year. `step`: years between two times at which wages elsewhere are needed. */
static void begin(const struct parameters *restrict p, struct constants *restrict c, struct state *restrict y, double step)
{
    EACH_LANE {
        const double gdp = p->gdp_base[k], trend = p->trend_growth_base[k], ratio = p->fixed_asset_investment_base[k] / gdp;
        const double employment = gdp / p->labour_productivity_base[k], formed = p->capital_formation_share[k] * ratio;
        double industrial = 0;
        EACH_SECTOR {
            const double share = p->sector_share[s][k], added = gdp * share, worn = p->depreciation_rate[s][k];
            const double capital = formed * added / (worn + trend), labour = employment * share;
            y->capital[s][k] = capital;
            y->pipeline[s][k] = p->construction_time[k] * formed * added;
            y->labour[s][k] = labour;
            c->capital_share[s][k] = p->capital_share[s][k];
            c->depreciation_rate[s][k] = worn;
            c->industrial[s][k] = p->industrial[s][k];
            c->value_added_base[s][k] = added;
            c->log_capital_base[s][k] = LOG(capital);
            c->log_labour_base[s][k] = LOG(labour);
            c->labour_base[s][k] = labour;
            industrial += p->industrial[s][k] * added;
        }
        c->human_capital_growth[k] = p->human_capital_growth[k];
        c->inverse_utilisation_base[k] = 1 / p->utilisation_base[k];
        c->formed_share[k] = formed;
        c->knowledge_elasticity[k] = p->knowledge_elasticity[k];
        c->return_response[k] = p->return_response[k];
        c->completion_rate[k] = 1 / p->construction_time[k];
        c->productivity_growth[k] = p->productivity_growth[k];
        c->recovery_rate[k] = 1 / p->recovery_time[k];
        y->utilisation[k] = p->utilisation_base[k];
        y->technology[k] = p->technology_base[k];
        y->value_added_ratio[k] = industrial / p->gross_industrial_output_base[k];
        c->ratio_drift[k] = p->value_added_ratio_drift[k] / (y->value_added_ratio[k] * (y->value_added_ratio[k] < .95 ? 1 - y->value_added_ratio[k] : .05));
        y->energy_intensity[k] = p->energy_intensity_base[k];
        c->energy_saving_rate[k] = p->energy_saving_rate[k];

        y->labour_supply[k] = employment;
        c->inverse_productivity_base[k] = 1 / p->labour_productivity_base[k];
        c->wage_response[k] = p->wage_response[k];
        c->hiring_rate[k] = 1 / p->hiring_time[k];
        c->natural_growth[k] = p->natural_labour_growth[k];
        c->migration_limit[k] = p->migration_limit[k];
        c->migration_steepness[k] = 2 * p->migration_response[k] / p->migration_limit[k];
        c->outside_step[k] = EXP(p->outside_wage_growth[k] * step);

        const double rd = p->rd_intensity_base[k] * gdp, real = p->rd_real_share[k];
        const double knowledge = real * rd / (p->knowledge_obsolescence_rate[k] + trend);
        y->rd_in_progress[k] = p->rd_lag[k] * real * rd;
        y->knowledge[k] = knowledge;
        c->log_knowledge_base[k] = LOG(knowledge);
        c->rd_certified[k] = rd * p->certified_rd_share[k];
        c->rd_rest[k] = rd * (1 - p->certified_rd_share[k]);
        c->firm_rd_elasticity[k] = p->firm_rd_elasticity[k];
        c->inverse_gdp_base[k] = 1 / gdp;
        c->inverse_firms_base[k] = 1 / p->high_tech_enterprises_base[k];
        c->rd_real_share[k] = real;
        c->maturing_rate[k] = 1 / p->rd_lag[k];
        c->obsolescence_rate[k] = p->knowledge_obsolescence_rate[k];
    }
    EACH_LANE {
        const double firms = p->high_tech_enterprises_base[k], year = p->certificate_step[k], none = p->negligible_firms[k];
        const double growing = p->certified_growth_base[k] + p->certified_closure_rate[k], cohort = 1 + growing * year;
        const double first = firms / (1 + 1 / cohort + 1 / (cohort * cohort)), second = first / cohort, third = firms - first - second;
        const double lapsing = (1 - p->renewal_share[k]) * third / year, wanted_new = growing * firms + lapsing;
        const double recognitions = wanted_new > 0 ? wanted_new : 0;
        const double pool = recognitions / p->recognition_rate[k];
        const double entities = p->market_entities_base[k], net = p->deregistration_rate[k] + p->entity_growth_base[k];
        const double rate = net > 0 ? net : 0;
        const double wanted = p->replenishment[k] * (recognitions + p->candidate_exit_rate[k] * pool) - p->reapplication_share[k] * lapsing;
        const double entering = rate * entities * p->firms_per_10k[k], least = none / year;
        y->market_entities[k] = entities;
        y->candidates[k] = pool;
        y->certified_1[k] = first;
        y->certified_2[k] = second;
        y->certified_3[k] = third;
        c->registrations_base[k] = rate * entities;
        c->entry_elasticity[k] = p->entry_elasticity[k];
        c->deregistration_rate[k] = p->deregistration_rate[k];
        c->startups[k] = (wanted > 0 ? wanted : 0) / (entering > least ? entering : least) * p->firms_per_10k[k];
        c->recognition_rate[k] = p->recognition_rate[k];
        c->candidate_exit_rate[k] = p->candidate_exit_rate[k];
        c->ageing_rate[k] = 1 / year;
        c->renewal[k] = p->renewal_share[k];
        c->reapplication[k] = p->reapplication_share[k] * (1 - p->renewal_share[k]);
        c->closure_rate[k] = p->certified_closure_rate[k];

        const double eaglets = p->eaglet_enterprises_base[k], gazelles = p->gazelle_enterprises_base[k];
        const double climbing = p->ladder_growth_base[k] + p->ladder_exit_rate[k], up = climbing > 0 ? climbing : 0;
        const double listing = p->ladder_growth_base[k] + p->listed_exit_rate[k];
        const double listings = (listing > 0 ? listing : 0) * p->listed_enterprises_base[k];
        const double promotions = up * gazelles + listings;
        y->eaglets[k] = eaglets;
        y->gazelles[k] = gazelles;
        y->listed[k] = p->listed_enterprises_base[k];
        c->eaglet_entries[k] = (up * eaglets + promotions) / firms;
        c->gazelle_rate[k] = eaglets > none ? promotions / eaglets : 0; /* a rung that is not followed is passed */
        c->gazelle_pass[k] = eaglets > none ? 0 : 1;
        c->listing_rate[k] = gazelles > none ? listings / gazelles : 0;
        c->listing_pass[k] = gazelles > none ? 0 : 1;
        c->ladder_exit_rate[k] = p->ladder_exit_rate[k];
        c->listed_exit_rate[k] = p->listed_exit_rate[k];
    }
    for (int i = 0; i < CLUSTERS; i++) EACH_LANE {
        y->cluster_position[i][k] = p->cluster_position_base[i][k];
        c->gain[i][k] = p->cluster_premium[i][k];
        c->saturation[i][k] = p->cluster_premium[i][k] / p->cluster_ceiling[i][k];
    }
}

/* ---------------------------------------------------------------- one stage of a step */

/* With d the derivative at x: to = from + weight d, and where `more` next = y + share d. Any of the states may be
 * the same, so that every stock is read before it is changed. */
#define CHANGE(stock, derivative)                                                                                                   \
    do {                                                                                                                            \
        const double d = derivative;                                                                                                \
        to->stock[k] = from->stock[k] + weight * d;                                                                                 \
        if (more) next->stock[k] = y->stock[k] + share * d;                                                                         \
    } while (0)

static inline __attribute__((always_inline)) void
stage(const struct constants *c, double elapsed, const double *outside, const struct state *x, const struct state *from, double weight,
      struct state *to, const struct state *y, double share, struct state *next, const int more, struct shown *show)
{
    EACH_LANE {
        /* production and capital */
        const double level = x->technology[k] * x->utilisation[k] * c->inverse_utilisation_base[k], log_level = LOG(level);
        const double log_skill = c->human_capital_growth[k] * elapsed;
        const double log_knowledge = c->knowledge_elasticity[k] * (LOG(x->knowledge[k]) - c->log_knowledge_base[k]);
        double gdp = 0, employment = 0, industrial = 0, index[SECTORS];
        EACH_SECTOR {
            const double log_capital = LOG(x->capital[s][k]) - c->log_capital_base[s][k];
            const double log_labour = LOG(x->labour[s][k]) - c->log_labour_base[s][k] + log_skill;
            const double a = c->capital_share[s][k], log_product = log_knowledge + a * log_capital + (1 - a) * log_labour;
            index[s] = level * EXP(log_product);
            const double output = c->value_added_base[s][k] * index[s];
            const double formed = c->formed_share[k] * output * EXP(c->return_response[k] * (log_level + log_product - log_capital));
            const double completed = x->pipeline[s][k] * c->completion_rate[k];
            CHANGE(capital[s], completed - c->depreciation_rate[s][k] * x->capital[s][k]);
            CHANGE(pipeline[s], formed - completed);
            gdp += output;
            employment += x->labour[s][k];
            industrial += c->industrial[s][k] * output;
        }
        const double gdp_index = gdp * c->inverse_gdp_base[k], log_gdp = LOG(gdp_index);
        CHANGE(utilisation, (1 - x->utilisation[k]) * c->recovery_rate[k]);
        CHANGE(technology, x->technology[k] * c->productivity_growth[k]);
        CHANGE(value_added_ratio, c->ratio_drift[k] * x->value_added_ratio[k] * (x->value_added_ratio[k] < 1 ? 1 - x->value_added_ratio[k] : 0));
        CHANGE(energy_intensity, -x->energy_intensity[k] * c->energy_saving_rate[k]);

        /* labour */
        const double tightness = EXP(c->wage_response[k] * LOG(employment / x->labour_supply[k]));
        const double wage = gdp / employment * c->inverse_productivity_base[k] * tightness, inverse_wage = 1 / wage;
        EACH_SECTOR CHANGE(labour[s], (c->labour_base[s][k] * index[s] * inverse_wage - x->labour[s][k]) * c->hiring_rate[k]);
        const double pull = EXP(c->migration_steepness[k] * (wage / outside[k] - 1));
        CHANGE(labour_supply, x->labour_supply[k] * (c->natural_growth[k] + c->migration_limit[k] * (1 - 2 / (1 + pull))));

        /* research and knowledge */
        const double first = x->certified_1[k], second = x->certified_2[k], third = x->certified_3[k]; /* x may be `to` or `next` */
        const double firms = first + second + third, relative = firms * c->inverse_firms_base[k];
        const double rd = c->rd_certified[k] * EXP(log_gdp + c->firm_rd_elasticity[k] * (LOG(relative) - log_gdp)) + c->rd_rest[k] * gdp_index;
        const double matured = x->rd_in_progress[k] * c->maturing_rate[k];
        CHANGE(rd_in_progress, c->rd_real_share[k] * rd - matured);
        CHANGE(knowledge, matured - c->obsolescence_rate[k] * x->knowledge[k]);
        show->gdp[k] = gdp;
        show->industrial[k] = industrial;
        show->rd[k] = rd;
        show->firms[k] = firms;

        /* firms */
        const double registered = c->registrations_base[k] * EXP(c->entry_elasticity[k] * log_gdp);
        const double recognised = c->recognition_rate[k] * x->candidates[k], ageing = c->ageing_rate[k], closing = ageing + c->closure_rate[k];
        const double expired = ageing * third;
        CHANGE(market_entities, registered - c->deregistration_rate[k] * x->market_entities[k]);
        CHANGE(candidates, c->startups[k] * registered + c->reapplication[k] * expired - recognised
                               - c->candidate_exit_rate[k] * x->candidates[k]);
        CHANGE(certified_1, recognised + c->renewal[k] * expired - closing * first);
        CHANGE(certified_2, ageing * first - closing * second);
        CHANGE(certified_3, ageing * second - closing * third);
        const double entered = c->eaglet_entries[k] * firms;
        const double promoted = c->gazelle_rate[k] * x->eaglets[k] + c->gazelle_pass[k] * entered;
        const double quoted = c->listing_rate[k] * x->gazelles[k] + c->listing_pass[k] * promoted;
        CHANGE(eaglets, entered - promoted - c->ladder_exit_rate[k] * x->eaglets[k]);
        CHANGE(gazelles, promoted - quoted - c->ladder_exit_rate[k] * x->gazelles[k]);
        CHANGE(listed, quoted - c->listed_exit_rate[k] * x->listed[k]);
    }
    for (int i = 0; i < CLUSTERS; i++) EACH_LANE {
        const double position = x->cluster_position[i][k];
        CHANGE(cluster_position[i], position * (c->gain[i][k] - c->saturation[i][k] * position));
    }
}

/* ---------------------------------------------------------------- steps, years, runs */

struct block { /* of LANES runs */
    struct constants c;
    struct state y, stage, sum;
    struct shown show;
    double outside[LANES];
};

static void grow(double *restrict wage, const double *restrict factor)
{
    EACH_LANE wage[k] *= factor[k];
}

static void euler(struct block *b, double elapsed, double dt)
{
    stage(&b->c, elapsed, b->outside, &b->y, &b->y, dt, &b->y, &b->y, 0, &b->y, 0, &b->show);
    grow(b->outside, b->c.outside_step);
}

static void rk4(struct block *b, double elapsed, double dt)
{
    struct shown elsewhere; /* what is shown is the state at the beginning of a step */
    stage(&b->c, elapsed, b->outside, &b->y, &b->y, dt / 6, &b->sum, &b->y, dt / 2, &b->stage, 1, &b->show);
    grow(b->outside, b->c.outside_step);
    for (int middle = 0; middle < 2; middle++)
        stage(&b->c, elapsed + dt / 2, b->outside, &b->stage, &b->sum, dt / 3, &b->sum, &b->y, middle ? dt : dt / 2, &b->stage, 1, &elsewhere);
    grow(b->outside, b->c.outside_step);
    stage(&b->c, elapsed + dt, b->outside, &b->stage, &b->sum, dt / 6, &b->y, &b->y, 0, &b->stage, 0, &elsewhere);
}

/* Projects runs first..last-1 of `runs`. rows[i] is a row of parameters in the order of the names above, certain[i] says that it is
 * one number for all runs. Results are arrays (years + 1, runs): GDP, gross industrial output, high-tech enterprises, R&D intensity. */
void project(const double *const *rows, const int *certain, long runs, long first, long last, int years, int steps, int method,
             double *gdp, double *gross, double *firms, double *intensity)
{
    static _Thread_local struct parameters p __attribute__((aligned(64)));
    static _Thread_local struct block b __attribute__((aligned(64)));
    const double dt = 1. / steps;
    for (long start = first; start < last; start += LANES) {
        double(*to)[LANES] = (double(*)[LANES]) & p;
        for (size_t i = 0; i < sizeof p / sizeof *to; i++)
            for (int k = 0; k < LANES; k++) to[i][k] = rows[i][certain[i] ? 0 : start + k < last ? start + k : last - 1];
        begin(&p, &b.c, &b.y, method == 4 ? dt / 2 : dt);
        for (int k = 0; k < LANES; k++) b.outside[k] = 1;
        const long count = last - start < LANES ? last - start : LANES;
        for (int year = 0; year <= years; year++) {
            double ratio[LANES];
            memcpy(ratio, b.y.value_added_ratio, sizeof ratio);
            for (int i = 0; i < (year < years ? steps : 1); i++) {
                (method == 4 ? rk4 : euler)(&b, year + i * dt, dt);
                if (i > 0) continue;
                const long at = year * runs + start;
                for (int k = 0; k < count; k++) {
                    gdp[at + k] = b.show.gdp[k];
                    gross[at + k] = b.show.industrial[k] / ratio[k];
                    firms[at + k] = b.show.firms[k];
                    intensity[at + k] = b.show.rd[k] / b.show.gdp[k];
                }
            }
        }
    }
}
