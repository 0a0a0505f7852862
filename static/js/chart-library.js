// Of Chart.js (pinned in the Makefile, licence in static/vendor) what charts.js draws with, and no more.

import {
  BarController,
  BarElement,
  CategoryScale,
  Chart,
  Filler,
  Legend,
  LinearScale,
  LineController,
  LineElement,
  PointElement,
  Tooltip,
} from "chart.js";

Chart.register(BarController, BarElement, CategoryScale, Filler, Legend);
Chart.register(LinearScale, LineController, LineElement, PointElement, Tooltip);

export { Chart };
