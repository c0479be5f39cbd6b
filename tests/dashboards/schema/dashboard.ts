// What a dashboard of ours may be: Grafana's own types, with the options of each kind of panel that we use.
import type {
  AnnotationQuery,
  DashboardLink,
  DataQuery,
  DataSourceRef,
  FieldConfig,
  GridPos,
  MatcherConfig,
  Dashboard as RawDashboard,
  RowPanel,
  VariableModel,
} from "@grafana/schema";
import type * as heatmap from "@grafana/schema/dist/esm/raw/composable/heatmap/panelcfg/x/HeatmapPanelCfg_types.gen";
import type * as stat from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type * as table from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type * as timeseries from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

// JSON has the values of an enum, not its members.
type Plain<T> = T extends string
  ? `${T}`
  : T extends number | boolean | null | undefined
    ? T
    : T extends (infer U)[]
      ? Plain<U>[]
      : T extends object
        ? { [K in keyof T]: Plain<T[K]> }
        : T;

// The query of the Prometheus data source, whose types are not in the package.
interface PromQuery extends Pick<DataQuery, "refId"> {
  datasource: DataSourceRef;
  editorMode: "code";
  exemplar: boolean;
  expr: string;
  format: "time_series" | "table" | "heatmap";
  instant: boolean;
  legendFormat?: string;
  range: boolean;
}

type Transformation =
  | { id: "merge"; options: Record<string, never> }
  | {
      id: "organize";
      options: {
        excludeByName: Record<string, boolean>;
        indexByName: Record<string, number>;
        renameByName: Record<string, string>;
      };
    };

interface Link {
  targetBlank: boolean;
  title: string;
  url: string;
}

interface Defaults<Custom> extends Omit<FieldConfig, "custom" | "links"> {
  custom?: Custom;
  links?: Link[];
}

interface PanelOf<Type, Options, Custom> {
  datasource: DataSourceRef;
  description: string;
  fieldConfig: {
    defaults: Defaults<Custom>;
    overrides: { matcher: MatcherConfig<string>; properties: Property<Custom>[] }[];
  };
  gridPos: GridPos;
  id: number;
  interval?: string;
  options: Options;
  targets: PromQuery[];
  title: string;
  transformations?: Transformation[];
  type: Type;
}

type Property<Custom> =
  | { id: "color"; value: FieldConfig["color"] }
  | { id: "links"; value: Link[] }
  | { id: "mappings"; value: FieldConfig["mappings"] }
  | { id: "thresholds"; value: FieldConfig["thresholds"] }
  | { id: "unit"; value: string }
  | (Custom extends { cellOptions: infer Cell } ? { id: "custom.cellOptions"; value: Cell } : never);

type Panel =
  | PanelOf<"heatmap", heatmap.Options, heatmap.FieldConfig>
  | PanelOf<"stat", stat.Options, never>
  | PanelOf<"table", table.Options, table.FieldConfig>
  | PanelOf<"timeseries", timeseries.Options, timeseries.FieldConfig>;

// What the Prometheus data source adds to an annotation.
interface Annotation extends AnnotationQuery<DataQuery & { expr: string; interval: string }> {
  tagKeys?: string;
  textFormat?: string;
  titleFormat?: string;
  useValueForTime?: boolean;
}

interface Typed extends Omit<RawDashboard, "annotations" | "links" | "panels" | "templating"> {
  annotations: { list: Annotation[] };
  links: DashboardLink[];
  panels: (Panel | RowPanel)[];
  templating: { list: VariableModel[] };
}

export type Dashboard = Plain<Typed>;
